// kafkajs: admin, producer (plain and gzip) and a group consumer.
import kafkajs from 'kafkajs'
import { bootstrap, expect, group, login, run, tls, topic } from './settings.js'

const { CompressionTypes, Kafka, logLevel } = kafkajs
const partitions = 3
const count = 60

const kafka = new Kafka({
  clientId: 'kafkajs-tests',
  brokers: [bootstrap],
  logLevel: logLevel.WARN,
  ...(login && { ssl: tls, sasl: login })
})

async function send () {
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    const messages = Array.from({ length: count / 2 }, (_, number) => ({
      key: `key-${number}`,
      value: `${compression}-${number}`,
      headers: { compression: `${compression}` }
    }))
    const places = await producer.send({ topic, acks: -1, compression, messages })
    expect(places.every(place => place.errorCode === 0), JSON.stringify(places))
  }
  await producer.disconnect()
}

async function receive () {
  const consumer = kafka.consumer({ groupId: group, sessionTimeout: 6000, heartbeatInterval: 500 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const seen = new Set()
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    consumer.run({
      eachMessage: async ({ message }) => {
        seen.add(message.value.toString())
        if (message.headers.compression === undefined) reject(new Error('a header is missing'))
        if (seen.size === count) resolve()
      }
    }).catch(reject)
  })
  await consumer.disconnect()
}

run(async () => {
  const admin = kafka.admin()
  await admin.connect()
  const made = await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }], waitForLeaders: true })
  expect(made, 'the topic was not created')
  expect((await admin.listTopics()).includes(topic), 'the topic is not listed')
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  expect(topics[0].partitions.length === partitions, `${topics[0].partitions.length} partitions`)

  await send()
  const offsets = await admin.fetchTopicOffsets(topic)
  const sent = offsets.reduce((sum, partition) => sum + Number(partition.high), 0)
  expect(sent === count, `${sent} messages in the topic`)

  await receive()
  const committed = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  const done = committed[0].partitions.reduce((sum, partition) => sum + Math.max(0, Number(partition.offset)), 0)
  expect(done === count, `${done} messages committed`)
  const { groups } = await admin.describeGroups([group])
  expect(['Empty', 'Dead'].includes(groups[0].state), `the group is ${groups[0].state}`)

  await admin.deleteGroups([group])
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
})
