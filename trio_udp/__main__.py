"""``python -m trio_udp``."""

import sys

if __name__ == "__main__":
    try:
        from trio_udp.cli import main  # takes a moment, in which somebody may change their mind

        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
