"""zip_sizes.py FOLDER: fails if the zip of a function that `sam build` has put there is too large. A large zip starts slowly."""
import pathlib
import sys
import zlib

AT_MOST = 10_000_000  # bytes


def zipped(program):
    compressor = zlib.compressobj(wbits=-15)  # as `sam package` compresses
    return len(compressor.compress(program.read_bytes())) + len(compressor.flush())


def main(folder):
    sizes = {program.parent.name: zipped(program) for program in sorted(pathlib.Path(folder).glob("*/bootstrap"))}
    if not sizes:
        sys.exit(f"{folder} has no functions: sam build makes them")
    for name, size in sizes.items():
        if size > AT_MOST:
            print(f"{name}: {size / 1e6:.2f} MB, more than {AT_MOST / 1e6:.0f}: docs/performance.md says what a zip is made of")
    sys.exit(any(size > AT_MOST for size in sizes.values()))


main(sys.argv[1])
