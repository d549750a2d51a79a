"""`medgen compare`: what is asked for, how long each training may last, its runs, and what the page is told."""
