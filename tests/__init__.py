"""Tests; the folders whose tests share servers are packages, so that these end with them."""
