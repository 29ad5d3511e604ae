/** The look of the map, from the tokens of the page; no glyphs, sprites or tiles: nothing is asked of any network. */
import type { StyleSpecification } from 'maplibre-gl';
import type { FeatureCollection } from 'geojson';
import { pointLayers, pointsSource } from './point-layers';

export interface MapColours {
  bg: string;
  block: string;
  building: string;
  water: string;
  green: string;
  road: string;
  line: string;
  text: string;
  dim: string;
  info: string;
  faint: string;
  soon: string;
  act: string;
  panel: string;
}

/** Reads the tokens in force on the page. */
export function coloursOf(element: Element): MapColours {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    bg: read('bg'),
    block: read('block'),
    building: read('building'),
    water: read('water'),
    green: read('green'),
    road: read('road'),
    line: read('line-strong'),
    text: read('text'),
    dim: read('dim'),
    info: read('info'),
    faint: read('faint'),
    soon: read('soon'),
    act: read('act'),
    panel: read('panel'),
  };
}

const layerIs = (name: string) => ['==', ['get', 'layer'], name] as ['==', ['get', string], string];

export function styleOf(
  colours: MapColours,
  ground: FeatureCollection,
  cameras: FeatureCollection,
  isChinese: boolean,
  points: FeatureCollection | null = null,
): StyleSpecification {
  const name = isChinese
    ? (['coalesce', ['get', 'name'], ['get', 'name_en'], ''] as const)
    : (['coalesce', ['get', 'name_en'], ['get', 'name'], ''] as const);
  return {
    version: 8,
    sources: {
      ground: { type: 'geojson', data: ground },
      cameras: { type: 'geojson', data: cameras },
      ...(points
        ? { points: pointsSource(points), sectors: { type: 'geojson' as const, data: { type: 'FeatureCollection' as const, features: [] } } }
        : {}),
    },
    layers: [
      { id: 'bg', type: 'background', paint: { 'background-color': colours.bg } },
      { id: 'block', type: 'fill', source: 'ground', filter: layerIs('block'), paint: { 'fill-color': colours.block } },
      { id: 'green', type: 'fill', source: 'ground', filter: layerIs('green'), paint: { 'fill-color': colours.green } },
      {
        id: 'water',
        type: 'fill',
        source: 'ground',
        filter: ['all', layerIs('water'), ['==', ['geometry-type'], 'Polygon']],
        paint: { 'fill-color': colours.water },
      },
      {
        id: 'stream',
        type: 'line',
        source: 'ground',
        filter: ['all', layerIs('water'), ['==', ['geometry-type'], 'LineString']],
        paint: { 'line-color': colours.water, 'line-width': ['interpolate', ['exponential', 2], ['zoom'], 12, 4, 18, 90] },
      },
      {
        id: 'road',
        type: 'line',
        source: 'ground',
        filter: layerIs('road'),
        layout: { 'line-cap': 'round', 'line-join': 'round' },
        paint: {
          'line-color': colours.road,
          'line-width': [
            'interpolate',
            ['exponential', 2],
            ['zoom'],
            12,
            ['match', ['get', 'class'], ['trunk', 'primary', 'bridge'], 2.4, ['secondary'], 1.8, ['path'], 0.4, 1],
            18,
            ['match', ['get', 'class'], ['trunk', 'primary', 'bridge'], 46, ['secondary'], 34, ['path'], 7, 20],
          ],
        },
      },
      {
        id: 'building',
        type: 'fill',
        source: 'ground',
        minzoom: 13.5,
        filter: layerIs('building'),
        paint: { 'fill-color': colours.building },
      },
      {
        id: 'boundary',
        type: 'line',
        source: 'ground',
        filter: layerIs('boundary'),
        paint: { 'line-color': colours.line, 'line-width': 1, 'line-dasharray': [4, 3] },
      },
      {
        id: 'road-name',
        type: 'symbol',
        source: 'ground',
        minzoom: 14,
        filter: ['all', layerIs('road'), ['has', 'name']],
        layout: {
          'symbol-placement': 'line',
          'text-field': name as unknown as string,
          'text-size': 11,
          'symbol-spacing': 320,
        },
        paint: { 'text-color': colours.dim, 'text-halo-color': colours.bg, 'text-halo-width': 1.2 },
      },
      {
        id: 'label',
        type: 'symbol',
        source: 'ground',
        filter: layerIs('label'),
        layout: { 'text-field': name as unknown as string, 'text-size': 12, 'text-max-width': 9, 'text-padding': 4 },
        paint: { 'text-color': colours.dim, 'text-halo-color': colours.bg, 'text-halo-width': 1.4 },
      },
      ...(points ? pointLayers(colours) : []),
      {
        id: 'cone',
        type: 'fill',
        source: 'cameras',
        filter: ['==', ['geometry-type'], 'Polygon'],
        paint: { 'fill-color': colours.info, 'fill-opacity': ['case', ['get', 'selected'], 0.28, 0.09] },
      },
      {
        id: 'camera',
        type: 'circle',
        source: 'cameras',
        filter: ['==', ['geometry-type'], 'Point'],
        paint: {
          'circle-radius': ['case', ['get', 'selected'], 5, 3.5],
          'circle-color': ['case', ['get', 'online'], colours.info, colours.bg],
          'circle-stroke-color': ['case', ['get', 'online'], colours.bg, colours.faint],
          'circle-stroke-width': 1.5,
        },
      },
    ],
  };
}
