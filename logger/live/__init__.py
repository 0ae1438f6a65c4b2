"""The live state in the form in which other programs read it.

    stage.LiveStage -> Snapshot -> document -> the recorder's live socket -> crew page, terminal

It may know `logger.stage`, whose values it renders, and nothing else of the logger: no recorder, no log, no page, no
port, clock or thread. `logger.stage` does not know it.
"""
