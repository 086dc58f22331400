"""What a bad network does to datagrams: one vocabulary for the virtual network, for the relay, and for you.

    Link(delay=0.05, jitter=0.02, loss=0.3)     how one direction between two hosts behaves, by chance
    drop_first(2), partition(a, b), ...         rules: what must happen to which datagram, whatever chance says
    PRESETS["mobile"]                           both, as others have measured or standardised them

Nothing in here sends, waits or looks at a clock: a `Passage` is told the time and the number of a datagram, and says
when it arrives, how often, with which bytes, or why not. And the same seed says the same each time.

    _luck                what chance says: keyed, not rolled
    _link  _passage      how a direction behaves; one direction as it is right now
    _rules               what must happen
    _presets             networks with a name and a source
"""

from ._link import GilbertElliott, Link
from ._passage import Fate, Passage
from ._presets import PRESETS, Preset, Rebind
from ._rules import (
    Deliver,
    Drop,
    Held,
    InFlight,
    Rule,
    Verdict,
    blackhole,
    drop_first,
    drop_if,
    drop_nth,
    first_verdict,
    hold,
    partition,
)

__all__ = [
    "Link",
    "GilbertElliott",
    "InFlight",
    "Rule",
    "Verdict",
    "Deliver",
    "Drop",
    "Held",
    "drop_first",
    "drop_nth",
    "drop_if",
    "blackhole",
    "partition",
    "hold",
    "PRESETS",
    "Preset",
    "Rebind",
    "Passage",
    "Fate",
    "first_verdict",
]
