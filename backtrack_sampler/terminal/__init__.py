"""What people see in a terminal: text that is typed and erased, and the guidance screen."""
