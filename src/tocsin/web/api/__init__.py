"""One router per resource."""

from __future__ import annotations

from fastapi import APIRouter

from tocsin.web.api import words

ROUTERS: tuple[APIRouter, ...] = (words.router,)
