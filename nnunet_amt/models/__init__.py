"""Trained models on disk: safe to load, parts that fit."""
