"""The league: brimline and its peers on the same scenarios, counted at the server."""
