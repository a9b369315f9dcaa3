"""The slow lane: checks that need a library, a program, a file or a dialogue, in a process of their own."""
