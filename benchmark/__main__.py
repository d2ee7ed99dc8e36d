"""`python -m cpbench`, for torchrun and accelerate."""

from cpbench.cli import main

if __name__ == "__main__":
    main()
