// @platformatic/kafka: admin, producer with each codec, and a group consumer as a stream.
import zlib from 'node:zlib'
import { Admin, Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { bootstrap, expect, group, login, run, tls, topic } from './settings.js'

const partitions = 3
// Zstandard came with Node 22.15.
const codecs = ['none', 'gzip', 'snappy', 'lz4', ...(zlib.zstdCompressSync ? ['zstd'] : [])]
const perCodec = 20
const count = codecs.length * perCodec

const base = {
  clientId: 'platformatic-tests',
  bootstrapBrokers: [bootstrap],
  ...(login && { tls, sasl: { ...login, mechanism: 'PLAIN' } })
}

async function send () {
  for (const compression of codecs) {
    const producer = new Producer({ ...base, serializers: stringSerializers, compression, autocreateTopics: false })
    const messages = Array.from({ length: perCodec }, (_, number) => ({
      topic,
      key: `key-${number}`,
      value: `${compression}-${number}`,
      headers: { compression }
    }))
    const { offsets } = await producer.send({ messages, acks: -1 })
    expect(offsets.length > 0, 'no offsets came back')
    await producer.close()
  }
}

async function receive () {
  const consumer = new Consumer({
    ...base,
    groupId: group,
    deserializers: stringDeserializers,
    sessionTimeout: 6000,
    heartbeatInterval: 500
  })
  const stream = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.EARLIEST,
    autocommit: false,
    maxWaitTime: 200
  })
  const seen = new Set()
  for await (const message of stream) {
    seen.add(message.value)
    expect(message.headers.get('compression') !== undefined, 'a header is missing')
    await message.commit()
    if (seen.size === count) break
  }
  await stream.close()
  await consumer.close(true)
}

run(async () => {
  const admin = new Admin(base)
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
  expect((await admin.listTopics()).includes(topic), 'the topic is not listed')
  await send()
  await receive()
  const groups = await admin.describeGroups({ groups: [group] })
  expect(groups.has(group), 'the group is not described')
  await admin.deleteGroups({ groups: [group] })
  await admin.deleteTopics({ topics: [topic] })
  await admin.close()
})
