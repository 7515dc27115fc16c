"""How the default model and its guides are made. README.md beside this file has one command for each step."""
