"""What the report's sections say and list, without figures of several sections or mark-up."""
