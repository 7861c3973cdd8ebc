"""An Arduino sketch for an exported network: it checks the stored rows on the board and measures the time."""

from __future__ import annotations

from nnc._version import __version__
from nnc.export import ctext
from nnc.export.program import Program

_SKETCH = """\
/* $p.ino: runs the network of $stem.c, written by nnc $version.
 *
 * It prints the largest difference between the outputs for the stored rows and nnc's, then repeatedly the
 * microseconds for one row. If the difference is too large, check the board's compiler and memory first. */
#include "$stem.h"

static $xt x[${P}_INPUTS];
static $yt y[${P}_OUTPUTS];

void setup()
{
    Serial.begin(115200);
    while (!Serial && millis() < 5000) {
    }
    const $dt difference = ${p}_check();
    Serial.print(F("$p: largest difference "));
    Serial.print(difference$digits);
    Serial.println(difference <= ${P}_TOLERANCE ? F(", good") : F(", TOO LARGE"));
}

void loop()
{
    /* Fill x from a sensor here. */
    const unsigned long start = micros();
    ${p}_predict(x, y);
    const unsigned long stop = micros();
    Serial.print(stop - start);
    Serial.print(F(" us:"));
    for (int i = 0; i < ${P}_OUTPUTS; i++) {
        Serial.print(' ');
        Serial.print(y[i]$digits);
    }
    Serial.println();
    delay(1000);
}
"""


def sketch(program: Program) -> str:
    """The .ino file of a program that has stored rows."""
    floats = program.ctypes[1] == "float"
    return ctext.fill(
        _SKETCH,
        p=program.prefix,
        P=program.prefix.upper(),
        stem=program.stem,
        version=__version__,
        xt=program.ctypes[0],
        yt=program.ctypes[1],
        dt="float" if floats else "int32_t",
        digits=", 7" if floats else "",
    )
