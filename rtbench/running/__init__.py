"""What running a matrix means, whoever asks for it: the command line or a Python program."""
