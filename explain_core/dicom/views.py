"""Mammographic views and what modifies them: ACR's abbreviations, and their codes (PS3.16 CID 4014 and 4015)."""

from __future__ import annotations

VIEWS = {
    "MLO": ("R-10226", "399368009"),
    "CC": ("R-10242", "399162004"),
    "ML": ("R-10224", "399260004"),
    "LM": ("R-10228", "399352003"),
    "LMO": ("R-10230", "399099002"),
    "FB": ("R-10244", "399196006"),
    "SIO": ("R-102D0", "399188001"),
    "ISO": ("R-40AAA", "441555000"),
    "XCCL": ("R-1024A", "399192008"),
    "XCCM": ("R-1024B", "399101009"),
    "specimen": ("G-8310", "127457009"),
}
"""Abbreviation: code in SNOMED-RT (SRT, SNM3) and in SNOMED CT (SCT)."""

MODIFIERS = {
    "implant displaced": ("R-102D5", "399209000"),
    "spot compression": ("R-102D7", "399055006"),
    "magnification": ("R-102D6", "399163009"),
    "cleavage": ("R-102D2", "399161006"),
    "axillary tail": ("R-102D1", "399011000"),
    "axillary tissue": ("R-40AB2", "442580003"),
    "tangential": ("R-102C2", "399110001"),
    "rolled lateral": ("R-102D3", "399197002"),
    "rolled medial": ("R-102D4", "399226006"),
    "rolled superior": ("R-102C9", "415670009"),
    "rolled inferior": ("R-102CA", "414493004"),
    "nipple in profile": ("R-40AB3", "442581004"),
    "anterior compression": ("P2-00161", "441752004"),
    "inframammary fold": ("R-40ABE", "442593008"),
}

STANDARD = ("CC", "MLO")
"""The views of a screening examination."""

VIEW_OF = {code: name for name, codes in VIEWS.items() for code in codes}
MODIFIER_OF = {code: name for name, codes in MODIFIERS.items() for code in codes}
