"""The paths of Metronome's public API, over our documents: its official clients work with `base_url` set to us."""

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    return []
