"""How a ladder looks: thin lines, system fonts, light and dark.

Colours follow Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which people with any colour vision can tell
apart, a little darker on light paper and lighter on dark. And nothing is told by colour alone: what is lost has a
cross, and a copy is dashed.

What is drawn by ``<use>`` is out of reach of a selector with more than one step: it inherits its style.
"""

LIGHT = """\
--paper:#fffefb;--ink:#23282d;--quiet:#7b8289;--thread:#c3c8cd;--ask:#23282d;--answer:#0072b2;--lost:#c44e00;\
--wait:#009e73;--work:#e9edf0"""
DARK = """\
--paper:#15181b;--ink:#e4e7ea;--quiet:#8d959d;--thread:#454c53;--ask:#dfe3e6;--answer:#56b4e9;--lost:#ff8f3f;\
--wait:#2fc59b;--work:#2a3036"""

STYLE = (
    f"""
.ladder{{{LIGHT};background:var(--paper);color:var(--ink);font:12px system-ui,-apple-system,"Segoe UI",sans-serif}}
@media (prefers-color-scheme:dark){{.ladder{{{DARK}}}}}
.ladder[data-theme="light"],[data-theme="light"] .ladder{{{LIGHT}}}
.ladder[data-theme="dark"],[data-theme="dark"] .ladder{{{DARK}}}
"""
    + """\
.ladder text{fill:var(--ink)}
.ladder path,.ladder use{fill:none;stroke-width:1}
.ladder .paper{fill:var(--paper)}
.ladder .name{font-weight:600;text-anchor:middle}
.ladder .place{font-size:10px;fill:var(--quiet);text-anchor:middle}
.ladder .thread{stroke:var(--thread)}
.ladder .cut{stroke:var(--thread);stroke-dasharray:1 4}
.ladder .time{font-size:10px;fill:var(--quiet);text-anchor:end;font-variant-numeric:tabular-nums}
.ladder .silence{font-size:10px;fill:var(--quiet);text-anchor:end;font-style:italic}
.ladder .tick{stroke:var(--thread)}
.ladder .caption{font-size:11px;fill:var(--quiet)}
.ladder .datagram{--own:var(--ask)}
.ladder .answer{--own:var(--answer)}
.ladder .lost,.ladder .dropped{--own:var(--lost)}
.ladder .ignored,.ladder .unseen{--own:var(--quiet)}
.ladder .line{stroke:var(--own)}
.ladder .copy .line{stroke-dasharray:6 3}
.ladder .line.guess{stroke-dasharray:2 4}
.ladder .head{fill:var(--own)}
.ladder .head.open{fill:none;stroke:var(--own)}
.ladder .cross{stroke:var(--lost);stroke-width:2}
.ladder .mark{stroke:var(--own);fill:var(--paper)}
.ladder .hit{stroke:transparent;stroke-width:11;pointer-events:stroke}
.ladder .label{font:10px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;text-anchor:middle;\
fill:var(--own);paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.ladder .label .fate{fill:var(--quiet)}
.ladder .lost .fate,.ladder .dropped .fate{fill:var(--lost)}
.ladder .label.start{text-anchor:start}
.ladder .label.end{text-anchor:end}
.ladder .datagram:hover .line{stroke-width:2}
.ladder .attempt{--own:var(--wait)}
.ladder .attempt.timed-out,.ladder .attempt.refused{--own:var(--lost)}
.ladder .attempt.given-up{--own:var(--quiet)}
.ladder .attempt.undecided{--own:var(--ink)}
.ladder .bracket{stroke:var(--own)}
.ladder .undecided .bracket{stroke-dasharray:4 3}
.ladder .bracket.rest{stroke-dasharray:1 3}
.ladder .refusal{stroke:var(--own);stroke-width:1.5}
.ladder .deadline{stroke:var(--own);stroke-width:2}
.ladder .beside{font-size:9px;text-anchor:middle;fill:var(--own);paint-order:stroke;stroke:var(--paper);\
stroke-width:3px}
.ladder .request{--own:var(--quiet)}
.ladder .again{stroke:var(--own)}
.ladder .handler{--own:var(--ink)}
.ladder .handler.raised,.ladder .handler.cancelled{--own:var(--lost)}
.ladder .handler rect{fill:var(--work);stroke:var(--own);stroke-width:.8}
.ladder .ending{font-size:9px;fill:var(--own);paint-order:stroke;stroke:var(--paper);stroke-width:3px}
"""
)
