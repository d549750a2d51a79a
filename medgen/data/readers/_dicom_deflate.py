"""How large a deflated DICOM file becomes, which has to be known before pydicom reads it.

pydicom inflates such a file (DICOM PS3.5, A.5) in one piece, whatever that comes to: a thousand times its bytes, and more than
the memory holds.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

PIECE = 1 << 20


def inflates_beyond(file: BinaryIO, most: int) -> bool:
    """Tell whether the data set of a DICOM file is deflated and has more bytes than `most`; the file is rewound.

    What is no deflate stream raises, here as in pydicom.
    """
    from pydicom.filereader import _read_file_meta_info, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    try:
        read_preamble(file, force=True)
        syntax = _read_file_meta_info(file).get("TransferSyntaxUID")
        return syntax == DeflatedExplicitVRLittleEndian and _is_larger(file, most)
    finally:
        file.seek(0)


def _is_larger(file: BinaryIO, most: int) -> bool:
    inflater, count = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while count <= most and not inflater.eof:
        packed = inflater.unconsumed_tail or file.read(PIECE)
        if not packed:
            return False  # truncated, of which pydicom tells
        count += len(inflater.decompress(packed, PIECE))
    return count > most
