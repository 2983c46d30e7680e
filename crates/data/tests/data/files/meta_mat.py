"""Writes meta.mat and meta-plain.mat: the table of synsets of an ILSVRC2012 devkit, made small.

Three classes, and two synsets above them, whose numbers are above 1000 as in the devkit.
Run with scipy 1.x: python meta_mat.py
"""

import numpy
from scipy.io import savemat

SYNSETS = [
    (1, "n02119789", "kit fox, Vulpes macrotis", 0, 1300),
    (2, "n01440764", "tench, Tinca tinca", 0, 1300),
    (3, "n04152593", "screen, CRT screen", 0, 732),
    (1001, "n00001740", "entity", 2, 0),
    (1002, "n00021939", "artifact, artefact", 1, 0),
]
FIELDS = [
    ("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("gloss", object),
    ("num_children", object), ("children", object), ("wordnet_height", object), ("num_train_images", object),
]

synsets = numpy.empty((len(SYNSETS), 1), dtype=FIELDS)
for row, (number, wnid, words, children, images) in enumerate(SYNSETS):
    synsets[row, 0] = (
        numpy.float64(number), wnid, words, "a gloss", numpy.float64(children),
        numpy.arange(children, dtype=numpy.float64), numpy.float64(0), numpy.float64(images),
    )
for file, is_compressed in [("meta.mat", True), ("meta-plain.mat", False)]:
    savemat(file, {"other": numpy.arange(3), "synsets": synsets}, do_compression=is_compressed)
    # The header's text has the time of writing in it.
    with open(file, "r+b") as written:
        written.write(b"MATLAB 5.0 MAT-file".ljust(116))
