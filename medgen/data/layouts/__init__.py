"""One file for each way in which folders mean something (`medgen.data.sources.Layout`); one with an underscore is none."""
