from __future__ import annotations

import pytest
import torch

from napari_mmlnb.models.pooling.nystrom import NystromAttention, pseudo_inverse, segment_means


def test_with_as_many_landmarks_as_tokens_it_is_softmax_attention() -> None:
    torch.manual_seed(0)
    attention = NystromAttention(8, heads=2, landmarks=64, kernel=3).eval()
    with torch.no_grad():
        attention.near.weight.zero_()
        for layer in (attention.query, attention.key):
            layer.weight.mul_(6)  # a pseudo-inverse by iteration needs a matrix that is far from singular
    tokens = torch.randn(6, 8)
    with torch.inference_mode():
        split = [layer(tokens).view(6, 2, 4).transpose(0, 1) for layer in (attention.query, attention.key)]
        weights = torch.softmax(split[0] @ split[1].mT / 2.0, dim=-1)
        exact = weights @ attention.value(tokens).view(6, 2, 4).transpose(0, 1)
        exact = attention.out(exact.transpose(0, 1).reshape(6, 8))
        torch.testing.assert_close(attention(tokens), exact, atol=2e-2, rtol=0)
        landmarks = attention.landmarks(tokens)
        row = attention.weights(landmarks, tokens[2:3], attention.key(tokens))
    torch.testing.assert_close(row, weights[:, 2].mean(dim=0), atol=2e-2, rtol=0)


def test_the_pseudo_inverse_of_a_softmax_matrix_inverts_it() -> None:
    torch.manual_seed(0)
    matrices = torch.softmax(3 * torch.eye(8) + torch.randn(3, 8, 8), dim=-1)
    identity = matrices @ pseudo_inverse(matrices, steps=12)
    torch.testing.assert_close(identity, torch.eye(8).expand(3, 8, 8), atol=1e-3, rtol=0)


def test_a_matrix_beside_others_does_not_change_their_inverse() -> None:
    torch.manual_seed(0)
    matrices = torch.softmax(4 * torch.randn(2, 8, 8), dim=-1)
    torch.testing.assert_close(pseudo_inverse(matrices)[:1], pseudo_inverse(matrices[:1]))


@pytest.mark.parametrize(("tokens", "count"), [(12, 4), (13, 4), (3, 8)])
def test_stretches_are_of_nearly_equal_length_and_cover_all(tokens: int, count: int) -> None:
    # The mean of one-hot tokens shows which tokens went into it, and how many.
    means = segment_means(torch.eye(tokens), count)
    lengths = (means > 0).sum(dim=1)
    assert len(means) == min(tokens, count)
    assert int(lengths.max() - lengths.min()) <= 1
    assert (means > 0).sum(dim=0).tolist() == [1] * tokens
    torch.testing.assert_close(means.sum(dim=1), torch.ones(len(means)))


def test_heads_must_divide_the_token() -> None:
    with pytest.raises(ValueError, match="divide"):
        NystromAttention(10, heads=4)


def test_neighbours_of_a_part_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    attention = NystromAttention(8, heads=2, kernel=5)
    values = torch.randn(20, 8)
    whole = attention.neighbours(values, 0, 20)
    assert whole.shape == values.shape
    parts = [attention.neighbours(values, start, min(start + 6, 20)) for start in range(0, 20, 6)]
    torch.testing.assert_close(torch.cat(parts), whole)
