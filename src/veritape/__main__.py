"""Let ``python -m veritape`` be the command line."""

from veritape.apps.start import main

if __name__ == "__main__":
    main()
