"""Stands for another distribution's `lightning`."""


def main():
    print("the other lightning")
    return 42
