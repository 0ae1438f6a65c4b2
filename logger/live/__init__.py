"""The live state as JSON, for the crew page, the terminal and other programs.

    stage.LiveStage -> Snapshot -> document -> the recorder's live socket -> crew page, terminal

May import `logger.stage`, whose values it renders, and nothing else of the logger: no recorder, log or page, no
port, clock or thread. `logger.stage` does not import it.
"""
