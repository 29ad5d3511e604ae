/** Where an incident is: where its terminal says it is, else its place. */
import type { Incident } from '$lib/api/types';
import type { Point } from '$lib/geo';

export function whereOf(incident: Incident | null): Point | null {
  const at = incident?.point?.lon != null ? incident.point : incident?.place;
  return at?.lon == null || at.lat === null ? null : { lon: at.lon, lat: at.lat };
}
