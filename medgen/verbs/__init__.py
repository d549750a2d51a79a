"""What a user can ask for, one verb a file: the only room where data, engine, backends and report meet."""
