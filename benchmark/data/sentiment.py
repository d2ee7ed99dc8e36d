"""Which emotions are pleasant or not, and which stir or not, by our labels: what valence and arousal are held against.

Ours, after the circumplex (Russell 1980); the paper of the two thresholds does not list its emotions. Surprise may be
either and stands nowhere; calm is slack, and its valence says nothing either way.
"""

from __future__ import annotations

POSITIVE = ("excitement", "happiness")
NEGATIVE = ("anger", "annoyance", "boredom", "contempt", "disgust", "fear", "frustration", "sadness")
NEUTRAL = ("calm", "neutral")
AROUSED = ("anger", "excitement")
SLACK = ("boredom", "calm")
