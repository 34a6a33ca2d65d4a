"""What is concluded from the tables: pure functions of data frames and arrays."""
