"""What each Unicode code point is to the tokenizer: fixed here, so that no Python version changes a token.

Made from Unicode 14.0 by the rule in `tests/test_tokenizer.py`, which also holds the table against it.
"""

import re
from functools import cache

import numpy as np
import numpy.typing as npt

SEPARATOR, WORD, ALONE, MARK, APOSTROPHE, IGNORED, BLANK = range(7)
"""The classes. SEPARATOR: punctuation. BLANK: white space, control characters, and the mark after a text. WORD: letters
and numbers. ALONE: a token by itself (Han, kana, Thai-like letters; ! ? symbols, emoji). MARK: combining marks, which
continue the token before them. APOSTROPHE: part of a word between two of its letters. IGNORED: joiners, variation
selectors, skin tones and soft hyphens, which are left out before anything else."""

END_OF_TEXT = 0x10FFFF
"""Stands after each text; a noncharacter: no text has a use for it."""

_LETTERS = {"_": SEPARATOR, "W": WORD, "S": ALONE, "M": MARK, "A": APOSTROPHE, "I": IGNORED}

# Runs of code points of one class, from U+0000 to U+10FFFF: a length in base 36, then the class's letter.
_RUNS = (
    "x_1S2_1S2_1A8_aW5_1S1_qW6_qW13_5S2_1S1W2_1I1S1_1S1_2W1_1W3_2W1_3W1_nW1_vW1_cqW4_cWe_5W7_1W1_1Wh_34M5W1_2W2_4"
    "W1_1W6_1W1_3W1_1W1_kW1_2bW1_3vW1S7M4mW1_12W2_1W6_15W4_3S1_19M1_1M1_2M1_2M1_1M8_rW4_4Wo_1S2_2SbM5_17WlMaW4_2W"
    "1M2rW1_1W7M1_1S6M2W2M1S4MfW2S1Wg_1W1MuWrM2_2hWbM1We_17W9M2W1S3_1W2_1M2SmW4M1W9M1W3M1W5Mi_pW3M4_bW5_oW1_6W9_8"
    "M16WoM1_xM1iW3M1WiM1W7MaW2M2_aW1_gW3M1_8W2_2W2_mW1_7W1_1W3_4W2_1M1W7M2_2M2_3M1W8_1M4_2W1_3W2M2_cW2S6W2S1W1_1"
    "M2_3M1_6W4_2W2_mW1_7W1_2W1_2W1_2W2_1M1_5M4_2M2_3M3_1M7_4W1_1W7_aW2M3W1Mb_3M1_9W1_3W1_mW1_7W1_2W1_5W2_1M1W8M1"
    "_3M1_3M2_1Wf_2W2M2_aW1_1S7_1W6M1_3M1_8W2_2W2_mW1_7W1_2W1_5W2_1M1W7M2_2M2_3M7_3M4_2W1_3W2M2_aW1S7Wa_1M1W1_6W3"
    "_3W1_4W3_2W1_1W1_2W3_2W3_3W3_cW4_5M3_3M1_4M2_1W6_1Me_dW8S5_5M8W1_3W1_nW1_gW2_1M1W7M1_3M1_4M7_2M1_3W2_1W2_2W2"
    "M2_aW8_7W1S1W3M1_8W1_3W1_nW1_aW1_5W2_1M1W7M1_3M1_4M7_2M6_2W1_2W2M2_aW1_2Wd_4M9W1_3W1_15W2M1W7M1_3M1_4M1W1S4_"
    "3W1MaW2M2_jW1S6W1_3M1_iW3_oW1_9W1_1W2_7W3_1M4_6M1_1M1_8M6_aW2_2Md_1cS1M2S7M4_8S8M1_aW13_2S1_1S1_5S1_oS1_1S1_"
    "aS1M2S9M1S2_5S1_1S1_6M2_aW2_4Sw_1W3Sf_1S1_3S2M6SkW1S1M1S1M1S1M4_2M8W1_10W4_kM1_2M5WbM1_10M1_8S1M6S1_2S5_4S13"
    "_17SkM1SaW6_6S4M4S3M1S3M2S7M3S4MdScM1S1MaW4M2S12W1_1W5_1W2_17W1_99W1_4W2_7W1_1W1_4W2_15W1_4W2_xW1_4W2_7W1_1W"
    "1_4W2_fW1_1lW1_4W2_1vW2_3M9_kW3_gWaS6_2eW2_6W3_h8W1S1_hW1_qW5_23W3_bW7_iW4M9_jW3Mb_iW2Mc_dW1_3W1_2Mc_1gSwM3_"
    "1S3_2S1M2_aW6_aWh_3M1_1MaW6_2hW7_5W2MyW1M1W5_1yWa_vW1_cM4_cM4_1S5_14W2_5Wb_18W4_qW6_bW3_ySnW5M4_1hWaM1_tM2_1"
    "MaW6_aWd_1W8_vM1d_5M1bWhM8W3_aW7_aS9M9S3_3MuWdM1kWeMc_10WkM8_aW3_1dW2_9W7_17W2_3Wg_3M1_lM4W1M6W1M2W3M1W5_5cW"
    "1sM7qW2_6W2_12W2_6W2_8W1_1W1_1W1_1W1_vW2_1hW1_7W1_1W3_3W1_7W3_4W2_6W4_dW5_3W1_7Wf_2Ib_1A2e_2W2_6W5_bW6_dW3_x"
    "Sf_xMf_2S1W4S1W2SaW1S1W2S1_5W6S1W1S1W1S1W1S4W1SbW2S4W5_5W1S1_2S1W1S1mW2S9_5S2_4S1_2S1_2S1_7S1_vS2_2S1_1S1_vS"
    "7g_8S4_kS2_7S2_29S1_uSp_14S6_1xSp_bSl_1oW26SmW53S1_9S1_1iS8_33S1_6wSe_uW18S1s_74Se8_1cSl_2S6_13S2_wS1_2xS6dW"
    "6S4W3M2W9_1W2_12W1_1W5_1W2_1kW7_1Wf_1MnW9_7W1_7W1_7W1_7W1_7W1_7W1_7W1_7W1_wM1b_1Ww_2S1a_qS1_2hSc_5ySq_cS8_1S"
    "3Wa_2Sc_1S9W6M1_5W2S5W1_2S1_2eS2_2M2_3S1_2iS1_4S5_17W1_2mW1_2S4WaSwW10Sc_1bS1_aWuS8W1SfWwSaW13SfWlkwSwdW3_1j"
    "S9_1aW2_7hW3_sWk_1bW4M1_aM1_vW2M28W2M11_9W2_2vW2_1sW5_2W1_1W1_5Wo_gW1M3W1M4W1MnW5M4S1M3_6W4S6_1gWc_2M1eWiMa_"
    "aW6_iM6W3_1W1_2W1M12W8M2_nWdMc_tW3_4M1bWeMe_bW6_5S1MaSaW5S1_15WeM9_3W1M8W2M2_aW6_rS3M2S1cW1M1W3M2W2M5W2M1W1M"
    "1Wo_3W2_bW5M2_3W2Ma_6W2_6W2_6W9_7W1_7W1_17W1_eW6_37W8M1_2M2_aW6_8mcWc_nW4_1dW6is_a6S2_2yS12_7Wc_5W5_1W1MaW1_"
    "dW1_5W1_1W1_2W1_2W1_30Wx_a3W2_gS1sW2_1iW7_1Sw_cW4SgIg_gM1l_1S6_5W1_3rW4_1S2_1Sb_aW5_1S1_qW6_qWb_1mSvW3_6W2_6"
    "W2_6W2_3W3_2S2_3S1_1S4_2Sd_2S2_cW1_qW1_jW1_2W1_fW2_eWy_3fWc_19W3_9S1lWhS2W3S1_dS3_1S1b_19S1M3m_tW3_1dWf_1MrW"
    "4_10W9_uW5_12W5M5_uW2_10W4_8W1_5W16_4eW2_aW6_10W4_10W4_14W8_1gWc_bW1_fW1_7W1_2W1_bW1_fW1_7W1_2W1v_8nW9_mWa_8"
    "Wo_6W1_16W1_9W1x_6W2_1W1_18W1_2W3_1W2_nW2_vW2S12W8_9W1c_jW1_2W5_xW4_qW1y_1kW4_kW2_1bW3M1_2M5_4M4W1_3W1_tW2_3"
    "M4_1M9Wn_vW1_wWw_8W1SsW2M4_5Wg_1iWa_mW2_rW5_qWn_7W28_21W1j_1fWd_1fW7_16W4M8_aW86_vW1_16W1_2M3_2W26_14W8_mWbM"
    "4Wr_iW4M16_sWk_nW9_3M1hWfMb_uW1M2W2M1W9_4M19WbM7_1Md_pW7_aW6_3M10WeM1_aW4_1W2M1W8_zW1M2_1W9_3M1cWeM4W4_4M1_2"
    "MbW1_1W4_kWb_iW1_pWcM6_1M1t_7W1_1W1_4W1_fW1_aW7_1bWcM5_aW6_4M1_8W2_2W2_mW1_7W1_2W1_5W1_2M1W7M2_2M2_3M2_1W6_1"
    "M5_5W2M2_7M3_5M3v_1hWiM4W5_aW4_1M3Wu_1cWkM2W1_1W8_aW4m_1bW7M2_9Mn_4W2My_1cWhM3_1Wb_aW12_17WdM1W7_aW1i_rW2_fM"
    "4_cW3_1S7W55_18WfM2t_2bWc_8W2_1W2_8W1_2W1_oW6M1_2M2_4M1W1M1W2Mc_aW1y_8W2_13W7M2_7M1W1_1W1Mr_1WaM14W7M1W4M8_1"
    "M8_1WbM1aWgM3_1Wi_21W7b_9W1_11W8M1_8M1Wf_tW5_uW2_mM1_eM21_7W1_2W1_12W6M3_1M1_2M1_7M1W1M8_aW6_6W1_2W1_wW5M1_2"
    "M1_5M1W7_aW8m_jW4M55_1Wf_lWtSe_pmW2u_33Wh_5gW218_2pWf_trW34h_g7W6nt_ftW7_vW1_aW6_27W1_aW6_uW2_5Mb_1cW7M5_4S4"
    "W1_1Sa_aW1_7W1_lW5_jWj4_2fW2x_23W4_1M1W1jM7_4MdW1s_2W1_1W1Mb_2Me_4qgW8_yeW16_9W6w7_4S1_7S1_2S1_2S7xW4S19_3Sh"
    "_4S8_b0W1s4_2zW5_dW3_9W7_aW2_1S2M3mp_1aM2_nM9_38S1o_6uSa_13S2_1oS5M3S6M8_8M2S7MuS4M1pSl_1uS3M1S4a_kWc_2fS9_p"
    "W3r_2dW1_1zW1_2W2_1W2_2W2_4W1_cW1_1W1_7W1_1tW1_4W2_8W1_7W1_sW1_4W1_5W1_1W3_7W1_9gW2_pW1_pW1_vW1_pW1_vW1_pW1_"
    "vW1_pW1_vW1_pW1_8W2_1eWe8S1jM4S1eM8S1MeS1M2Sk_5M1_fMuo_vW69_7M1_hM2_7M1_2M1_5M5x_19W3_7M7W2_aW4_1W1S8w_uW1Mh"
    "_18W4MaW5_1Syo_7W1_4W1_2W1_fW1_5hW2_9W7M15_1wW7M1W4_aWlz_1nW1S3W1S4W24_19W1SfW5e_4W1_rW1_2W1_1W2_1W1_aW1_4W1"
    "_1W1_1W6_1W4_1W1_1W1_1W1_3W1_2W1_1W2_1W1_1W1_1W1_1W1_1W1_2W1_1W2_4W1_7W1_4W1_4W1_1W1_aW1_hW5_3W1_5W1_hW90_18"
    "S4_2sSc_fS2_fS1_fS1_11Sa_dW4hS1k_tSd_18S4_9S7_2Se_6S4a_6zS5Ik8S5_gS3_dS3_38Sc_2hS7_cS4_1Sf_cS4_1kS8_aS6_14S8"
    "_uS2_2S26_9gSc_eS2_5S3_5S3_7S9_tS3_bS5_6Sa_aS6_8S8_7S9_43S1_1jS11_aWsm_wyoSw_37dS7_66S2_4g2Se_5rlS2e7_f2S15u"
    "_3t7Sfcmt_6oI47bk_"
)


@cache
def class_table() -> npt.NDArray[np.uint8]:
    """Return the class of every code point, shape (0x110000,), which nobody may write to."""
    runs = re.findall("([0-9a-z]+)([_WSMAI])", _RUNS)
    classes = np.array([_LETTERS[letter] for _, letter in runs], np.uint8)
    table = np.repeat(classes, [int(length, 36) for length, _ in runs])
    table[_BLANKS] = BLANK
    table.flags.writeable = False
    return table


def is_space(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Return where code points are white space, as Python's str.isspace has it, or control characters below it."""
    space: npt.NDArray[np.bool_] = (class_table().take(codes) == BLANK) & (codes != END_OF_TEXT)
    return space


_BLANKS = [*range(0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000,
           END_OF_TEXT]  # fmt: skip
"""White space as Python's str.isspace has it, the control characters below it, and the mark between two texts."""
