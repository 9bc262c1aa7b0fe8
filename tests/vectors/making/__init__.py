"""What makes the published vectors: the second SEALING side, written from docs/protocol.md alone.

Like `reading` it imports nothing of the gateway. Everything comes out of one published phrase, but for the
encapsulations: pyca's takes no seed, so they were made once and lie frozen in ../encapsulations.json. With
them every envelope here is made again byte for byte.
"""
