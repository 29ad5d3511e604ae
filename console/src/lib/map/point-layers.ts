/** How the cameras of a town look on the map: clusters by their worst camera, single ones with the way they look. */
import type { FeatureCollection } from 'geojson';
import type { GeoJSONSourceSpecification, LayerSpecification, SymbolLayerSpecification } from 'maplibre-gl';
import { DISCOVERED, OFFLINE, WEDGES_DEG } from './points';
import type { MapColours } from './style';

/** From this zoom on every camera stands for itself. */
export const SINGLE_ZOOM = 16;
/** From this zoom on a camera whose reach is known shows the ground it sees, to scale, in place of the wedge. */
export const SECTOR_ZOOM = 17;
const CLUSTER_RADIUS_PX = 56;
/** A cluster's ring is cut into so many parts, so that few images are drawn. */
const RING_PARTS = 12;

export function pointsSource(data: FeatureCollection): GeoJSONSourceSpecification {
  return {
    type: 'geojson',
    data,
    promoteId: 'id',
    cluster: true,
    clusterMaxZoom: SINGLE_ZOOM - 1,
    clusterRadius: CLUSTER_RADIUS_PX,
    clusterProperties: {
      rank: ['max', ['get', 'rank']],
      lost: ['+', ['case', ['==', ['get', 'rank'], OFFLINE], 1, 0]],
      fresh: ['+', ['case', ['==', ['get', 'rank'], DISCOVERED], 1, 0]],
    },
    maxzoom: 18,
    buffer: 32,
  };
}

type Shape = 'disc' | 'diamond' | 'triangle' | `wedge${number}`;

/** An image's name says what it is: shape, size, fill and edge; `drawImage` draws it when the map asks for it. */
const imageOf = (shape: Shape, size_px: number, fill: string, edge: string): string => `${shape}|${size_px}|${fill}|${edge}`;

const byRank = (well: string, discovered: string, offline: string) =>
  ['match', ['get', 'rank'], DISCOVERED, discovered, OFFLINE, offline, well] as unknown as string;

export function pointLayers(colours: MapColours): LayerSpecification[] {
  const marks = (size_px: number) =>
    byRank(
      imageOf('disc', size_px, colours.info, colours.panel),
      imageOf('diamond', size_px, colours.soon, colours.panel),
      imageOf('triangle', size_px, colours.act, colours.panel),
    );
  /** How many of the ring's parts a share of the cluster takes; one as soon as there is any. */
  const parts = (name: string) => ['to-string', ['ceil', ['/', ['*', RING_PARTS, ['get', name]], ['get', 'point_count']]]];
  const ring = [
    'concat',
    'ring|',
    ['step', ['get', 'point_count'], '30', 100, '36', 1_000, '44'],
    `|${colours.panel}|${colours.info}|${colours.act}|${colours.soon}|`,
    parts('lost'),
    '|',
    parts('fresh'),
  ] as unknown as string;
  const always: SymbolLayerSpecification['layout'] = { 'icon-allow-overlap': true, 'icon-ignore-placement': true };
  const wedge = [
    'match',
    ['get', 'wedge'],
    ...WEDGES_DEG.flatMap((deg) => [deg, imageOf(`wedge${deg}`, 72, colours.info, colours.info)]),
    '',
  ] as unknown as string;
  return [
    {
      id: 'sector',
      type: 'fill',
      source: 'sectors',
      minzoom: SECTOR_ZOOM,
      paint: {
        'fill-color': byRank(colours.info, colours.soon, colours.act),
        'fill-opacity': 0.16,
        'fill-outline-color': byRank(colours.info, colours.soon, colours.act),
      },
    },
    {
      id: 'point-wedge',
      type: 'symbol',
      source: 'points',
      minzoom: SINGLE_ZOOM,
      filter: [
        'all',
        ['!', ['has', 'point_count']],
        ['>', ['get', 'wedge'], 0],
        ['any', ['<', ['zoom'], SECTOR_ZOOM], ['==', ['get', 'reach'], 0]],
      ],
      layout: { ...always, 'icon-image': wedge, 'icon-rotate': ['get', 'bearing'], 'icon-rotation-alignment': 'map' },
      paint: { 'icon-opacity': 0.32 },
    },
    {
      id: 'point',
      type: 'symbol',
      source: 'points',
      filter: ['!', ['has', 'point_count']],
      layout: { ...always, 'icon-image': marks(11) },
    },
    {
      id: 'cluster',
      type: 'symbol',
      source: 'points',
      filter: ['has', 'point_count'],
      layout: {
        ...always,
        'icon-image': ring,
        'text-field': ['get', 'point_count_abbreviated'],
        'text-size': 11,
        'text-allow-overlap': true,
        'text-ignore-placement': true,
      },
      paint: { 'text-color': colours.text },
    },
  ];
}

/** Draws the image of that name; null when the name is none of ours. */
export function drawImage(name: string, scale: number): ImageData | null {
  if (name.startsWith('ring|')) return drawRing(name, scale);
  const [shape, size, fill, edge] = name.split('|');
  if (!shape || !size || !fill || !edge) return null;
  const size_px = Number(size);
  const edge_px = size_px > 20 ? 2 : 1.5;
  const side_px = Math.ceil((size_px + 2 * edge_px) * scale);
  const image = document.createElement('canvas');
  image.width = image.height = side_px;
  const pen = image.getContext('2d');
  if (!pen) return null;
  pen.scale(scale, scale);
  pen.translate(edge_px, edge_px);
  const middle = size_px / 2;
  pen.beginPath();
  if (shape === 'disc') pen.arc(middle, middle, middle * 0.92, 0, 2 * Math.PI);
  else if (shape === 'diamond') corners(pen, [[middle, 0], [size_px, middle], [middle, size_px], [0, middle]]);
  else if (shape === 'triangle') corners(pen, [[middle, 0], [size_px, size_px * 0.94], [0, size_px * 0.94]]);
  else {
    const half = ((Number(shape.slice('wedge'.length)) / 2) * Math.PI) / 180;
    pen.moveTo(middle, middle);
    pen.arc(middle, middle, middle, -Math.PI / 2 - half, -Math.PI / 2 + half);
    pen.closePath();
    pen.fillStyle = fill;
    pen.fill();
    return pen.getImageData(0, 0, side_px, side_px);
  }
  pen.lineWidth = 2 * edge_px;
  pen.lineJoin = 'round';
  pen.strokeStyle = edge;
  pen.stroke();
  pen.fillStyle = fill;
  pen.fill();
  return pen.getImageData(0, 0, side_px, side_px);
}

function corners(pen: CanvasRenderingContext2D, path: readonly (readonly [number, number])[]): void {
  for (const [x, y] of path) pen.lineTo(x, y);
  pen.closePath();
}

/** A cluster: its ring is red for the share that is offline, amber for what is not in service yet; a triangle says red. */
function drawRing(name: string, scale: number): ImageData | null {
  const [, size, fill, well, act, soon, lost, fresh] = name.split('|');
  if (!size || !fill || !well || !act || !soon) return null;
  const size_px = Number(size);
  const margin_px = 4;
  const width_px = size_px >= 36 ? 5 : 4;
  const side_px = Math.ceil((size_px + 2 * margin_px) * scale);
  const image = document.createElement('canvas');
  image.width = image.height = side_px;
  const pen = image.getContext('2d');
  if (!pen) return null;
  pen.scale(scale, scale);
  const middle = margin_px + size_px / 2;
  const radius = size_px / 2;
  const part = (2 * Math.PI) / RING_PARTS;
  pen.beginPath();
  pen.arc(middle, middle, radius + 1.5, 0, 2 * Math.PI);
  pen.fillStyle = fill;
  pen.fill();
  const arc = (from: number, count: number, colour: string) => {
    if (count <= 0) return;
    pen.beginPath();
    pen.arc(middle, middle, radius - width_px / 2, -Math.PI / 2 + from * part, -Math.PI / 2 + (from + count) * part);
    pen.lineWidth = width_px;
    pen.strokeStyle = colour;
    pen.stroke();
  };
  const red = Number(lost);
  const amber = Math.min(Number(fresh), RING_PARTS - red);
  arc(red + amber, RING_PARTS - red - amber, well);
  arc(red, amber, soon);
  arc(0, red, act);
  if (red > 0) {
    const [x, y, side] = [size_px + 2 * margin_px - 13, 1, 12];
    pen.beginPath();
    corners(pen, [[x + side / 2, y], [x + side, y + side * 0.92], [x, y + side * 0.92]]);
    pen.lineWidth = 2;
    pen.lineJoin = 'round';
    pen.strokeStyle = fill;
    pen.stroke();
    pen.fillStyle = act;
    pen.fill();
  }
  return pen.getImageData(0, 0, side_px, side_px);
}
