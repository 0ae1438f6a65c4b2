"""Read route files into itineraries, and write itineraries as OpenRally GPX.

                              xml       GPX tags -> points and facts, in bounded memory
                               |
    waypoint_words             v
          |                  book       points -> the roadbook, and the line beside it (route_line, line_passes)
    waypoint_names ----------> |
    (kinds out of names)       v
                             elements   a point -> a note: kinds, values, units (numbers)
                               |
                               v
                             odometer   a note -> its kilometre on the route
                               |
                               v
                             lint       marks -> marks in pairs, and remarks
                               |
                               v
                             sections   marks -> liaison and timed sections

`read` runs these steps in this order and returns an itinerary with its warnings. `write` is the reverse and needs none
of them. A module imports only those above it; each may add a `lint.Remark`, so that nothing is lost silently.
"""
