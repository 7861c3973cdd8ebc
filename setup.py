"""Builds nnc._core.binding: csrc once for the baseline, and each file of csrc/isa with its own flags.

Environment: CC selects the compiler; NNC_OPENMP=0 builds without OpenMP; NNC_WERROR=1 turns warnings into
errors; NNC_EMULATE_AMX=1 replaces AMX instructions with a C version of them, for tests.

On Windows clang-cl compiles, since cl has neither vector types nor inline assembly; the linker is Visual
Studio's.
"""

import os
import platform
import shutil
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
# How gcc clears and copies structs on x86: the instruction that it chooses for 100 bytes or more ("rep stos")
# takes as long to start as a small product.
STRUCTS = [f"-mmem{name}-strategy=vector_loop:512:noalign,libcall:-1:noalign" for name in ("set", "cpy")]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wvla"]
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # aliases
WINDOWS = sys.platform == "win32"
LIBRARIES = ["synchronization"] if WINDOWS else ["m"]


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

    def choose_compiler(self):
        """On Windows, clang-cl instead of cl, which setuptools uses."""
        self.msvc = self.compiler.compiler_type == "msvc"
        if self.msvc:
            if not self.compiler.initialized:
                self.compiler.initialize()
            name = os.environ.get("CC", "clang-cl")
            self.compiler.cc = shutil.which(name) or name
            self.command = [self.compiler.cc]
        else:
            self.command = self.compiler.compiler_so  # a list, since CC may be "ccache gcc"

    def spelled(self, flags):
        """Flags of gcc and clang as this compiler takes them."""
        if not self.msvc:
            return list(flags)
        # setuptools adds /GL and /O2: clang-cl has no /GL, and -O2 replaces /O2.
        return ["-Wno-unused-command-line-argument", *(f"/clang:{flag}" for flag in flags)]

    def compiles(self, flags):
        """Whether the compiler can build and link a small program with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder) / "probe.c", Path(folder) / "probe"
            source.write_text(PROBE)
            output = [f"/Fe:{program}.exe"] if self.msvc else ["-lm", "-o", str(program)]
            try:
                # clang-cl only warns of options that it does not know.
                strict = ["-Werror=unknown-argument"] if self.msvc else []
                command = [*self.command, str(source), *strict, *self.spelled(flags), *output]
                return subprocess.run(command, capture_output=True, cwd=folder).returncode == 0
            except OSError:
                return False

    def build_extension(self, ext):
        self.choose_compiler()
        if not self.compiles([]):
            sys.exit(
                f"nnc needs a C compiler, but {' '.join(self.command)!r} does not work: "
                "install gcc or clang (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install "
                "gcc; macOS: xcode-select --install; Windows: the C++ build tools of Visual Studio and LLVM)"
            )
        # On Windows OpenMP would be one more library to distribute; nnc's own thread pool is used.
        wanted = not WINDOWS and os.environ.get("NNC_OPENMP") != "0"
        openmp = ["-fopenmp"] if wanted and self.compiles(["-fopenmp"]) else []
        warnings = [*WARNINGS, "-Werror"] if os.environ.get("NNC_WERROR") == "1" else WARNINGS

        hardening = ["-D_CRT_SECURE_NO_WARNINGS"] if WINDOWS else HARDENING
        emulation = ["-DNNC_EMULATE_AMX"] if os.environ.get("NNC_EMULATE_AMX") == "1" else []
        structs = STRUCTS if self.compiles(STRUCTS) else []
        common = [*BASE_FLAGS, *structs, *hardening, *warnings, *openmp, *emulation]

        def compile_c(sources, flags):
            return self.compiler.compile(
                [str(source) for source in sources],
                output_dir=self.build_temp,
                include_dirs=[str(CSRC)],
                extra_postargs=self.spelled([*common, *flags]),
            )

        ext.extra_objects = compile_c(sorted(CSRC.glob("*.c")), [])
        for isa, flags in isa_flags().items():
            known = flags if self.compiles(flags) else []
            ext.extra_objects += compile_c([CSRC / "isa" / f"{isa}.c"], known)
        ext.extra_compile_args = self.spelled(["-O2", "-g0", *openmp])
        hardened = not WINDOWS and self.compiles(HARDENED_LINK)  # some linkers lack these flags
        ext.extra_link_args = [*openmp, *(HARDENED_LINK if hardened else [])]
        ext.libraries = LIBRARIES
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
