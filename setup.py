"""Builds nnc._core.binding: csrc once for the baseline, and each file of csrc/isa with its own flags.

Environment: CC selects the compiler; NNC_OPENMP=0 builds without OpenMP (POSIX threads); NNC_WERROR=1 turns
warnings into errors; NNC_EMULATE_AMX=1 replaces AMX instructions with a C version of them, for tests.
"""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CSRC = Path("csrc")
BASE_FLAGS = ["-std=gnu11", "-O2", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]
# Hardening that costs no time: size checks of copies with a known size, and a read-only relocation table.
HARDENING = ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
HARDENED_LINK = ["-Wl,-z,relro,-z,now"]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wvla"]
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # aliases


def isa_flags():
    """The compiler flags of each instruction set of this architecture, from csrc/isa/flags.txt."""
    machine = platform.machine().lower()
    rows = (line.split() for line in (CSRC / "isa" / "flags.txt").read_text().splitlines() if line[:1] != "#")
    return {isa: flags for isa, where, *flags in rows if where in ("any", MACHINES.get(machine, machine))}


PROBE = (
    "#include <math.h>\n#ifdef _OPENMP\n#include <omp.h>\n#endif\nint main(void) { return (int)sqrt(0.0); }\n"
)


class BuildCore(build_ext):
    """Compiles the C core itself, since setuptools uses the same flags for all files of an extension."""

    def compiles(self, flags):
        """Whether the compiler can build and link a small program with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.c"
            source.write_text(PROBE)
            # compiler_so is a list, since CC may be "ccache gcc".
            command = [
                *self.compiler.compiler_so,
                str(source),
                *flags,
                "-lm",
                "-o",
                str(Path(folder) / "probe"),
            ]
            try:
                return subprocess.run(command, capture_output=True).returncode == 0
            except OSError:
                return False

    def build_extension(self, ext):
        if not self.compiles([]):
            sys.exit(
                f"nnc needs a C compiler, but {' '.join(self.compiler.compiler_so)!r} does not work: "
                "install gcc or clang (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install "
                "gcc; macOS: xcode-select --install)"
            )
        openmp = ["-fopenmp"] if os.environ.get("NNC_OPENMP") != "0" and self.compiles(["-fopenmp"]) else []
        warnings = [*WARNINGS, "-Werror"] if os.environ.get("NNC_WERROR") == "1" else WARNINGS

        emulation = ["-DNNC_EMULATE_AMX"] if os.environ.get("NNC_EMULATE_AMX") == "1" else []

        def compile_c(sources, flags):
            return self.compiler.compile(
                [str(source) for source in sources],
                output_dir=self.build_temp,
                include_dirs=[str(CSRC)],
                extra_postargs=[*BASE_FLAGS, *HARDENING, *warnings, *openmp, *emulation, *flags],
            )

        ext.extra_objects = compile_c(sorted(CSRC.glob("*.c")), [])
        for isa, flags in isa_flags().items():
            known = flags if self.compiles(flags) else []
            ext.extra_objects += compile_c([CSRC / "isa" / f"{isa}.c"], known)
        ext.extra_compile_args = ["-O2", "-g0", *openmp]
        hardened = HARDENED_LINK if self.compiles(HARDENED_LINK) else []  # some linkers lack them
        ext.extra_link_args = [*openmp, *hardened, "-lm"]
        super().build_extension(ext)


setup(
    ext_modules=[
        Extension(
            "nnc._core.binding",
            ["nnc/_core/binding.pyx"],
            include_dirs=[str(CSRC)],
            depends=sorted(map(str, [*CSRC.rglob("*.[chid]*"), *Path("nnc/_core").glob("*.px[di]")])),
        )
    ],
    cmdclass={"build_ext": BuildCore},
)
