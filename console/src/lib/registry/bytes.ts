/** Raw bytes as a person reads them. Pure. */

export function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** Printable ASCII as it is, line ends and control characters by their symbols, the rest as a dot. */
export function textOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else if (byte < 0x20) text += String.fromCharCode(0x2400 + byte);
    else text += '·';
  }
  return text;
}

/** `0000  0a 41 …  ␊A…`: sixteen bytes a line. */
export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.slice(at, at + 16);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${textOf(row)}`);
  }
  return lines;
}
