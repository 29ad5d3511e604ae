import { describe, expect, it } from 'vitest';
import { hasAudioTrack, readFrame } from '../src/lib/player/frames';
import { loudest, waitBefore } from '../src/lib/sound/rhythm';

describe('text frames of the live socket', () => {
  it('reads the mime frame with or without its type', () => {
    expect(readFrame('{"mime":"video/mp4; codecs=\\"avc1.640028\\""}')).toMatchObject({ type: 'mime', converted: false });
    expect(readFrame('{"type":"mime","mime":"video/mp4","converted":true}')).toMatchObject({ converted: true });
  });
  it('reads status, gap and end', () => {
    expect(readFrame('{"type":"status","wall_ms":5,"media_time":1.5,"state":"live"}')).toMatchObject({
      wall_ms: 5,
      media_time_s: 1.5,
      state: 'live',
    });
    expect(readFrame('{"type":"end","reason":"expired"}')).toEqual({ type: 'end', reason: 'expired' });
  });
  it('makes nothing of what is not a frame', () => {
    for (const raw of ['', '[]', 'null', '{"type":"dance"}', '{', '7']) expect(readFrame(raw)).toBeNull();
  });
  it('knows whether there is something to hear', () => {
    expect(hasAudioTrack('video/mp4; codecs="avc1.640028, mp4a.40.2"')).toBe(true);
    expect(hasAudioTrack('video/mp4; codecs="avc1.640028"')).toBe(false);
  });
});

describe('the loudspeaker', () => {
  it('sounds the gravest of several reasons', () => {
    expect(loudest(['fault', 'normal', 'critical'])).toBe('critical');
    expect(loudest([])).toBeNull();
  });
  it('repeats at rising intervals up to a limit', () => {
    expect(waitBefore('critical', 1)).toBeGreaterThan(waitBefore('critical', 0));
    expect(waitBefore('critical', 50)).toBe(8);
  });
});

it('reads what quality is sent', () => {
  expect(readFrame('{"type":"quality","mode":"key_frames","reason":"slow"}')).toEqual({ type: 'quality', isKeysOnly: true, reason: 'slow' });
  expect(readFrame('{"type":"quality","mode":"all","reason":""}')).toEqual({ type: 'quality', isKeysOnly: false, reason: '' });
});
