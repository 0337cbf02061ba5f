"""Losses of the adversarial training (HiFi-GAN, VITS) and a multi-resolution spectral loss (Yamamoto et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

RESOLUTIONS = ((512, 128, 512), (1024, 256, 1024), (2048, 512, 2048))
"""(n_fft, hop, window) in samples."""


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Least squares: scores of real waves are pulled to 1, of generated ones to 0."""
    return torch.stack([(1 - r).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)]).sum()


def adversarial_loss(fake: list[Tensor]) -> Tensor:
    """Least squares: the generator wants its scores to be 1."""
    return torch.stack([(1 - f).square().mean() for f in fake]).sum()


def feature_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Twice the summed mean distance of the discriminators' activations; `real` is not trained through."""
    pairs = [(r, f) for rs, fs in zip(real, fake, strict=True) for r, f in zip(rs, fs, strict=True)]
    return 2 * torch.stack([F.l1_loss(f.float(), r.detach().float()) for r, f in pairs]).sum()


def kl_loss(z_prior: Tensor, posterior_log: Tensor, prior_mean: Tensor, prior_log: Tensor, mask: Tensor) -> Tensor:
    """Divergence of the posterior from the prior, summed over channels and averaged over valid frames.

    All are [b, c, f] but `mask` [b, 1, f]. Estimated from the one sample `z_prior` (VITS, equation 3).
    """
    z_prior, posterior_log, prior_mean, prior_log = (x.float() for x in (z_prior, posterior_log, prior_mean, prior_log))
    kl = prior_log - posterior_log - 0.5 + 0.5 * (z_prior - prior_mean).square() * torch.exp(-2 * prior_log)
    return (kl * mask).sum() / mask.sum()


def mel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean distance of two log-mel spectrograms [b, m, f]."""
    return F.l1_loss(fake.float(), real.float())


def masked_mel_loss(real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Mean distance of log-mel spectrograms [b, m, f] inside `mask` [b, 1, g], each of whose frames spans f / g."""
    frames = min(real.shape[-1], fake.shape[-1])
    inside = mask.repeat_interleave(fake.shape[-1] // mask.shape[-1], dim=-1)[..., :frames]
    distance = (fake[..., :frames].float() - real[..., :frames]).abs() * inside
    return distance.sum() / (inside.sum() * fake.shape[1])


def speaker_loss(wanted: Tensor, heard: Tensor) -> Tensor:
    """Mean cosine distance of speaker embeddings [b, e]."""
    return 1 - F.cosine_similarity(heard.float(), wanted.float(), dim=-1).mean()


def spectral_loss(real: Tensor, fake: Tensor, resolutions: tuple[tuple[int, int, int], ...] = RESOLUTIONS) -> Tensor:
    """Spectral convergence plus log magnitude distance of waves [b, w], averaged over the resolutions."""
    losses = []
    for n_fft, hop, window in resolutions:
        a, b = (_magnitude(wave.float(), n_fft, hop, window) for wave in (real, fake))
        convergence = torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(a)
        losses.append(convergence + F.l1_loss(b.log(), a.log()))
    return torch.stack(losses).mean()


def _magnitude(wave: Tensor, n_fft: int, hop: int, window: int) -> Tensor:
    shape = torch.hann_window(window, device=wave.device)
    spec = torch.stft(wave, n_fft, hop, window, shape, center=True, pad_mode="reflect", return_complex=True)
    return (spec.real.square() + spec.imag.square()).clamp(min=1e-7).sqrt()
