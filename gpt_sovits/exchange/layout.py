"""How the public project orders the tensors of its files."""

from __future__ import annotations

from collections.abc import Iterable

_ORDER = (
    "model bert_proj ar_text_embedding ar_text_position ar_audio_embedding ar_audio_position h ar_predict_layer "
    "self_attn in_proj_weight in_proj_bias out_proj linear1 linear2 "
    "enc_p dec enc_q flow ref_enc ssl_proj quantizer sv_emb ge_to512 prelu "
    "encoder_ssl encoder_text text_embedding mrte encoder2 "
    "attn_layers norm_layers_1 ffn_layers norm_layers_2 emb_rel_k emb_rel_v "
    "cross_attention conv_q conv_k conv_v conv_o conv_1 conv_2 c_pre text_pre c_post "
    "conv_pre ups resblocks convs1 convs2 conv_post pre in_layers res_skip_layers cond_layer cond enc post proj "
    "spectral temporal slf_attn w_qs w_ks w_vs fc "
    "norm1 norm2 weight bias weight_g weight_v gamma beta inited cluster_size embed embed_avg"
)
_RANK = {word: rank for rank, word in enumerate(_ORDER.split())}


def public_order(names: Iterable[str]) -> list[str]:
    """The names in the order in which the public networks list them."""
    return sorted(names, key=lambda name: [_rank(word) for word in name.split(".")])


def _rank(word: str) -> tuple[int, int, str]:
    if word.isdigit():
        return (0, int(word), "")
    return (1, _RANK.get(word, len(_RANK)), word)
