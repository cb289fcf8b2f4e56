"""Learning-rate schedules by name; a file each. A new one is one function with one decorator."""
