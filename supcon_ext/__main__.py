"""``python -m supcon_ext``, which ``torchrun`` can start too."""

from supcon_ext.cli import main

if __name__ == "__main__":
    main(prog_name="supcon")
