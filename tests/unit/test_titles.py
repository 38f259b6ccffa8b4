"""Titles of ROOT and of LaTeX: read into pieces, bounded, and never markup of where they end."""

# ruff: noqa: RUF001 - Greek letters that look like Latin ones are what is meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.histograms import Axis
from reprun.histograms.titles import LONGEST_TITLE, Piece, pieces_of, unicode_title
from reprun.wording import in_ascii

TEXTS = {
    "m_{4#ell} [GeV]": "m_4ℓ [GeV]",
    "p_{T}^{#mu} [GeV/c^{2}]": "p_T^μ [GeV/c²]",
    "#Delta#phi(#mu^{+},#mu^{-}) [rad]": "Δφ(μ⁺,μ⁻) [rad]",
    "#DeltaR": "ΔR",
    "#sqrt{s} = 13 TeV, 5.1 fb^{-1}": "√s = 13 TeV, 5.1 fb⁻¹",
    "#sqrt{s_{NN}}": "√s_NN",
    "#sqrt{x + y}": "√(x + y)",
    "E_{T}^{miss}": "E_T^miss",
    "H_{T}^{#gamma+jet}": "H_T^(γ+jet)",
    "#chi^{2}/ndf": "χ²/ndf",
    "t#bar{t} #rightarrow b#bar{b}": "tt̄ → bb̄",
    "#it{p}_{T}": "p_T",
    "#Upsilon(1S) #rightarrow #mu#mu": "Υ(1S) → μμ",
    "Z#rightarrowee": "Z→ee",
    "D^{*}": "D^*",
    "x^{y_{z}}": "x^y_z",
    "#frac{1}{N} #frac{dN}{dp_{T}}": "1/N dN/dp_T",
    "#frac{a+b}{2}": "(a+b)/2",
    "#splitline{first}{second}": "first second",
    "#left(x#right)": "(x)",
    "#color[2]{red} #font[42]{Helvetica} #bf{bold}": "red Helvetica bold",
    "1 #pm 2, 3 #times 10^{-3}, 90#circ, #infty": "1 ± 2, 3 × 10⁻³, 90°, ∞",
    r"$m_{4\ell}$ [GeV]": "m_4ℓ [GeV]",
    r"$p_\mathrm{T}$": "p_T",
    r"$\sqrt{s}=7\,\mathrm{TeV}$": "√s=7 TeV",
    r"$\Delta R(\mu, \mu)$": "ΔR(μ, μ)",
    r"$\frac{d\sigma}{dp_T}$ [pb]": "dσ/dp_T [pb]",
}
UNTOUCHED = [
    "", "events", "h_pt_1", "m(4l) [GeV]", "#foo{x}", r"\foo{x}", "jet #1", "$5 and $6", "$x",
    "a_b^c", "{a}", "x^{", "#sqrt{", "#", "<b>&amp;</b>",
]  # fmt: skip


@pytest.mark.parametrize("title", TEXTS)
def test_a_title_in_characters(title: str) -> None:
    assert unicode_title(title) == TEXTS[title]


@pytest.mark.parametrize("title", UNTOUCHED)
def test_what_is_not_known_stays_as_it_is(title: str) -> None:
    assert unicode_title(title) == title


def test_pieces_say_where_they_stand() -> None:
    assert pieces_of("#it{p}_{T}^{#mu^{-}}") == (
        Piece("p", italic=True), Piece("T", "_"), Piece("μ", "^"), Piece("−", "^^"),
    )  # fmt: skip


def test_a_long_title_is_cut() -> None:
    assert unicode_title("a" * 10_000) == "a" * (LONGEST_TITLE - 1) + "…"
    assert sum(len(piece.text) for piece in pieces_of("p_{T}" * 100, 80)) == 80


@given(st.lists(st.sampled_from(
    ["#", "\\", "{", "}", "^{", "_{", "$", "mu", "#sqrt{", "#bar{", "frac", "a", " ", "<", "\u0304"]
), max_size=300).map("".join))  # fmt: skip
def test_any_string_is_a_title(title: str) -> None:
    assert sum(len(piece.text) for piece in pieces_of(title)) <= LONGEST_TITLE
    assert set("".join(piece.level for piece in pieces_of(title))) <= set("^_")
    assert isinstance(unicode_title(title), str)


def test_bins_are_named_in_characters() -> None:
    assert Axis.regular(2, 0, 2, title="m [MeV/c^{2}]").describe_bin(1) == "bin 1 [0, 1) MeV/c²"
    assert Axis.categories(("#mu#mu",)).describe_bin(1) == "bin 1 'μμ'"


def test_an_output_without_unicode_has_the_names_of_letters() -> None:
    title = "#sqrt{s}, #mu^{+}#mu^{-}, #chi^{2}, #Upsilon, fb^{-1}"
    assert in_ascii(unicode_title(title)) == "sqrt s, mu+mu-, chi2, Upsilon, fb-1"
