"""What is written while a run trains, and programs that follow trainings from outside."""
