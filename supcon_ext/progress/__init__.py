"""What is shown of work under way: bars, lines, and how long it will go on."""
