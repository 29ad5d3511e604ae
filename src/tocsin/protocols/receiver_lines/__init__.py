"""What hardware receivers of telephone and radio send: Sur-Gard, Ademco 685, Radionics 6500, SIA DC-07."""
