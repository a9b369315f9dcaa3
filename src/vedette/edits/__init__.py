"""What an edit of the document will do to live traffic, said before it is made. Pure."""
