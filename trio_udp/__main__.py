"""``python -m trio_udp``."""

import sys

from trio_udp.cli import main

if __name__ == "__main__":
    sys.exit(main())
