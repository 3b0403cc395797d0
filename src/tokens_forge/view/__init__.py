"""Rich renderables, one file a report, shared by the command line and the monitor."""
