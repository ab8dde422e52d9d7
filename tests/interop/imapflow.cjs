// imapflow as an application uses it: list, fetch, flag, copy, append, delete, and hear of new mail.
const { ImapFlow } = require('imapflow');

const options = {
  host: 'localhost',
  port: Number(process.env.PALOMAR_PORT),
  secure: true,
  auth: { user: process.env.PALOMAR_USER, pass: process.env.PALOMAR_PASSWORD },
  logger: false,
};

async function main() {
  const client = new ImapFlow(options);
  await client.connect();
  // It asks by itself; the flag says that the server agreed.
  if (!client._inflate) throw new Error('not compressed');
  const folders = await client.list();
  if (!folders.some((folder) => folder.specialUse === '\\Sent')) throw new Error('no \\Sent');
  const lock = await client.getMailboxLock('INBOX');
  let fetched = 0;
  const query = { envelope: true, bodyStructure: true, flags: true, uid: true, source: true };
  for await (const message of client.fetch('1:*', query)) {
    if (!message.envelope.subject.startsWith('letter')) throw new Error('subject');
    if (!message.source.toString().includes('Text')) throw new Error('source');
    fetched += 1;
  }
  console.log(`fetched ${fetched}`);
  await client.messageFlagsAdd('1', ['\\Flagged']);
  console.log(`flagged ${(await client.search({ flagged: true })).length}`);
  await client.mailboxCreate('Arc');
  await client.messageCopy('1:2', 'Arc');
  console.log(`archived ${(await client.status('Arc', { messages: true })).messages}`);
  await client.append('Arc', 'Subject: t\r\n\r\nx\r\n');
  await client.messageDelete('1');

  const heard = new Promise((resolve) => client.on('exists', (event) => resolve(event.count)));
  const idle = client.idle();
  const other = new ImapFlow(options);
  await other.connect();
  await other.append('INBOX', 'Subject: letter 6\r\n\r\nText 6\r\n');
  await other.append('INBOX', 'Subject: letter 7\r\n\r\nText 7\r\n');
  await other.logout();
  const counted = await heard;
  if (counted < 5) throw new Error(`heard ${counted}`);
  lock.release();
  await client.noop();
  await idle;
  console.log(`pushed ${client.mailbox.exists}`);
  await client.logout();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
