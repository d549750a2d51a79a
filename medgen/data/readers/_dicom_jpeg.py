"""imagecodecs as a decoder of pydicom: JPEG of more than 8 bits, lossless JPEG and JPEG-LS.

pydicom itself knows decoders under the GPL for these, or one without 12 bits. Its plugin protocol: https://pydicom.github.io,
"Decoding plugins". What a codestream holds is handed over as it is, colours unconverted, as pydicom expects it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from medgen.data.readers import _codestreams as codestreams

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import Decoder, DecodeRunner
    from pydicom.uid import UID

NAME = "imagecodecs"
END = b"\xff\xd9"
DECODER_DEPENDENCIES: dict[str, tuple[str, ...]] = {}  # asked for by the protocol where a decoder is not available
REGISTERING = threading.Lock()  # pydicom's table of decoders has none


def is_jpeg(syntax: UID) -> bool:
    """Tell whether a transfer syntax is one that `jpeg_decoder` is for; so is JPEG of 8 bits, which has better decoders."""
    from pydicom.uid import JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

    return syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes)


def jpeg_decoder(syntax: UID) -> Decoder:
    """Return pydicom's decoder of a syntax, which knows this one by NAME from then on."""
    from pydicom.pixels.decoders.base import get_decoder

    decoder = get_decoder(syntax)
    with REGISTERING:
        if NAME not in decoder.available_plugins:
            decoder.add_plugin(NAME, (__name__, "decode_frame"))
    return decoder


def is_available(uid: str) -> bool:
    """Tell pydicom that this decoder can be used."""
    return True


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame to bytes, pixel by pixel, and tell pydicom how wide its words are.

    Raises
    ------
    ValueError : if the frame is truncated or has another size than the header says.
    RuntimeError : if it cannot be decoded.
    """
    import imagecodecs
    from pydicom.uid import JPEGLSTransferSyntaxes

    header = codestreams.jpeg(source)
    if header is None or (header.height, header.width) != (runner.rows, runner.columns):
        size = "no header" if header is None else f"{header.width} x {header.height} pixels"
        raise ValueError(f"the header says {runner.columns} x {runner.rows} pixels, its JPEG has {size}")
    if END not in source[-10:]:  # padding may follow. What is missing libjpeg makes up, and CharLS looks for it for seconds
        raise ValueError("truncated: a JPEG without its end")
    if runner.transfer_syntax in JPEGLSTransferSyntaxes:
        values = imagecodecs.jpegls_decode(source)
    else:
        space = "RGB" if runner.samples_per_pixel == 3 else "GRAYSCALE"  # the same in and out: nothing is converted
        values = imagecodecs.jpeg8_decode(source, colorspace=space, outcolorspace=space)
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", values.itemsize * 8)
    return values.tobytes()
